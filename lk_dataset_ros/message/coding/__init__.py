"""Single messages: their classes, what they take, their bytes."""
