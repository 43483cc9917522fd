// Offline
