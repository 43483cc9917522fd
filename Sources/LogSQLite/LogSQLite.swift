// LogSQLite
