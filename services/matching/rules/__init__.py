"""The rules of matching: hard filters, preferences, fairness, and sentences to explain them."""
