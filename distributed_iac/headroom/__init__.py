"""Could a search find anything here, and would anybody see it? Asked of random cells."""
