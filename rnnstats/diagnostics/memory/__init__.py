"""What a recurrence remembers, and how its gradient travels."""
