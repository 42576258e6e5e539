"""What describes the tables and views elsewhere: the data dictionary, dbt sources and LookML.

All are made from the declarations alone: nothing here opens a warehouse.
"""
