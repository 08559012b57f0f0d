"""Token cleaner: a bootstrap token is deleted when its time is over."""
