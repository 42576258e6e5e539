"""What contributors run by hand: it writes files of the repository. CONTRIBUTING.md says when."""
