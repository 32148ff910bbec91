"""Puts a release into one folder: packages, chart, CRDs, image, changelog, checksums and their signature."""
