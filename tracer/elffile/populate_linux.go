package elffile

import "syscall"

const populate = syscall.MAP_POPULATE
