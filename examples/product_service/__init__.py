"""A small product catalogue: what a service of the ERP looks like, and how it joins the hub."""
