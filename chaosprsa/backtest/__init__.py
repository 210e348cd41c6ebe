"""What a forecast would have been worth: models fitted at origins that roll through the past, judged on what came."""
