"""What Hedgerow costs, measured as ratios inside one run: `make bench`."""
