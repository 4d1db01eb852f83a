"""The menus' REST routes (contract, "Menus")."""
