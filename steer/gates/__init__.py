"""What a rewrite and its picture must pass before they count."""
