"""Speed as ratios, both sides measured in turn within one run: `make bench`."""
