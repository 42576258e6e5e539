"""What describes the tables and views elsewhere: the data dictionary, dbt sources and LookML."""
