"""The controls as data: one YAML file a control, and one a guard. Their CEL is the only text of each rule."""
