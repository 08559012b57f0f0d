"""The shared API client: requests, informers, work queues, leader election, events. It knows no domain rules."""
