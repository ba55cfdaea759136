"""Studies: the file that describes one, power analysis, and the comparison of its arms."""
