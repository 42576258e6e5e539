"""Tables, views and answers to questions as files."""
