"""What makes an object a Kubernetes object. Knows neither HTTP nor SQL."""
