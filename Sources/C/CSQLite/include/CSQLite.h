#pragma once
#include <sqlite3.h>

// A macro that the importer cannot see.
static inline sqlite3_destructor_type berth_sqlite_transient(void) { return SQLITE_TRANSIENT; }
