"""What Kubernetes' API means wherever it is read, by servers and clients alike. Pure: imports nothing of ours."""
