// breaks: only the store speaks SQL

package api

import _ "database/sql"
