/* log - one line on stderr for each thing that an operator should know.
 *
 * Every line begins with the journal's priority prefix (sd-daemon(3)): "<3>collector: ...".  On
 * a terminal the prefix is left out.  Say what happened, to what, and why; count events instead
 * of logging them.
 */
#ifndef LOG_H
#define LOG_H

/* Name the process ("collector") once, before the first line.  `name` must outlive the process.
 * Debug lines are written only when the environment has NTC_DEBUG=1. */
void log_open(const char *name);

__attribute__((format(printf, 1, 2))) void log_error(const char *format, ...);      /* <3> */
__attribute__((format(printf, 1, 2))) void log_warning(const char *format, ...);    /* <4> */
__attribute__((format(printf, 1, 2))) void log_info(const char *format, ...);       /* <6> */
__attribute__((format(printf, 1, 2))) void log_debug(const char *format, ...);      /* <7> */

#endif
