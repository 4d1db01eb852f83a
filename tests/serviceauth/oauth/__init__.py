"""OAuth as clients that know the RFCs speak it."""
