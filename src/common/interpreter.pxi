# Whether Python runs. Included by each extension whose C code asks Python something without its lock: in a daemon thread that code goes
# on while the process ends, and who asks for the lock then ends it by a crash.
cdef extern from "Python.h":
    bint Py_IsInitialized() nogil
