"""Between words and scenes."""
