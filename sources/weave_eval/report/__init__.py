"""The report: what a warehouse says of evaluations, as one HTML file without scripts that needs no network."""
