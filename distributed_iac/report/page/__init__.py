"""The page that tells somebody who was not there what a run did and what it found."""
