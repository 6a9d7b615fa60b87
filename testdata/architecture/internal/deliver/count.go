// breaks: package variables never change

package deliver

var sent = map[string]int{}

func count(endpoint string) { sent[endpoint]++ }
