"""What a detector is: rows in, threshold, decisions, and which places are anomalous."""
