"""Programs that are kept running beside each other: started in order, watched, logged and stopped."""
