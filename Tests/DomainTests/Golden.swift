/// Version 1 of every row of `Samples.rows`, for ever: a log written today must be readable by every later Berth.
let goldenRows: [String] = [
]

/// Version 1 of entries with nothing told, grants and a report.
let goldenEntries: [String] = ["", "", ""]
