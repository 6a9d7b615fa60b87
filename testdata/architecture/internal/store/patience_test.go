// breaks: tests wait for signals, not for time

package store

import "time"

func waitForIt() { time.Sleep(time.Second) }
