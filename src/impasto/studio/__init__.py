"""The studio: a page for people who never open a terminal. A view over ``stylize`` and its steps."""
