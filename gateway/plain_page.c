#include "plain_page.h"

#include <stddef.h>

/* The files go into the program as they are; the assembler reads them from the top folder. */
#define EMBED(name, file)                                                                          \
    extern const char name[], name##_end[];                                                        \
    __asm__(".section .rodata\n"                                                                   \
            #name ":\n.incbin \"gateway/" file "\"\n"                                              \
            #name "_end:\n.byte 0\n"                                                               \
            ".previous\n")

EMBED(plain_html, "plain_page.html");
EMBED(plain_css, "plain_page.css");
EMBED(plain_js, "plain_page.js");

const struct plain_file PLAIN_PAGE[] = {
    { "/index.html", plain_html, plain_html_end },
    { "/plain_page.css", plain_css, plain_css_end },
    { "/plain_page.js", plain_js, plain_js_end },
    { NULL, NULL, NULL },
};
