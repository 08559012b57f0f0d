"""The streams of guests, their consoles and screens, served to the API server."""
