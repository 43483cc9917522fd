#pragma once
#include <sqlite3.h>

// Macros that the importer cannot see.
static inline sqlite3_destructor_type berth_sqlite_transient(void) { return SQLITE_TRANSIENT; }

static inline int berth_sqlite_ioerr_write(void) { return SQLITE_IOERR_WRITE; }
static inline int berth_sqlite_readonly_rollback(void) { return SQLITE_READONLY_ROLLBACK; }
