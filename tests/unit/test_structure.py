"""The structure of the source: what import contracts can't say."""

from __future__ import annotations

from graphlib import TopologicalSorter

import grimp


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = grimp.build_graph("daulat")
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert tuple(TopologicalSorter(imports).static_order())
