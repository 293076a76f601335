"""What every user of SSH shares: keys."""
