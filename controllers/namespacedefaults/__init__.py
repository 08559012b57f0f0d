"""What every namespace has from the start: an identity for its programs, and whom they may trust."""
