// LogMemory
