"""What there is to do, in which order, and how far it is: pure values, no torch, no ray."""
