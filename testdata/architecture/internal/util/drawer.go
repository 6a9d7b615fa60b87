// breaks: no drawers

package util
