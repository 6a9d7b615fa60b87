// breaks: webhook needs the standard library only

package webhook

import _ "github.com/google/uuid"
