"""From raw data sets to a store that trials read at memory speed."""
