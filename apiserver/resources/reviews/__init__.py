"""Reviews: questions that are answered and not kept."""
