// breaks: nothing happens before main

package deliver

func init() {}
