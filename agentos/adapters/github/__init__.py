"""GitHub as the tracker and the forge see it: one repository, its wire, its refusals."""
