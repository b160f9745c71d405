"""The findings store, and the delivery of its news."""
