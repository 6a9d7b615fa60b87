package store

// ConfigurationLock is held by those that commit.
const ConfigurationLock = configurationLock
