"""`runledger up`: every process of Runledger on one machine, under one supervisor."""
