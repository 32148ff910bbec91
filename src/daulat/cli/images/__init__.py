"""``daulat images``: every image, chart and weights that manifests need, with where each is named."""
