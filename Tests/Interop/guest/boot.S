// A boot sector that reads its disk: the sum over the first SECTORS sectors and one write go to the serial line.
//
// SeaBIOS loads it to 0x7c00 and gives the disk's number in DL. It prints "boot: begin", reads by int 13h, AH=42h, 64 sectors a
// request, sums up 32-bit words (rotated by one before each), prints "boot: sum XXXXXXXX", writes the last 64 sectors behind
// those that it has read, prints "boot: done", and reads again.
  .code16
  .globl _start
_start:
  cli
  xorw %ax, %ax
  movw %ax, %ds
  movw %ax, %ss
  movw $0x7c00, %sp
  sti
  cld
  movb %dl, drive
  movw $begun, %si
  call print
again:
  xorl %ebx, %ebx
  movl %ebx, lba
next:
  movb $0x42, %ah
  call disk
  movw $0x1000, %ax
  movw %ax, %es
  xorw %di, %di
  movw $(64 * 512 / 4), %cx
sum:
  roll $1, %ebx
  addl %es:(%di), %ebx
  addw $4, %di
  loop sum
  addl $64, lba
  cmpl $SECTORS, lba
  jb next
  movw $said, %si
  call print
  movw $8, %cx
digit:
  roll $4, %ebx
  movb %bl, %al
  andb $15, %al
  addb $'0', %al
  cmpb $'9', %al
  jbe 1f
  addb $('a' - '0' - 10), %al
1:
  call put
  loop digit
  movb $0x43, %ah
  call disk
  movw $done, %si
  call print
  jmp again

// The packet's request, AH=42h to read and 43h to write.
disk:
  xorb %al, %al
  movb drive, %dl
  movw $packet, %si
  int $0x13
  jnc 2f
  movw $failed, %si
  call print
  hlt
2:
  ret

print:
  lodsb
  testb %al, %al
  jz 2b
  call put
  jmp print

// One byte to COM1.
put:
  pushw %ax
  movw $0x3fd, %dx
3:
  inb %dx, %al
  testb $0x20, %al
  jz 3b
  popw %ax
  movw $0x3f8, %dx
  outb %al, %dx
  ret

packet:
  .byte 16, 0
  .word 64, 0, 0x1000
lba:
  .long 0, 0
drive:
  .byte 0
begun:
  .asciz "boot: begin\n"
said:
  .asciz "boot: sum "
done:
  .asciz "\nboot: done\n"
failed:
  .asciz "\nboot: failed\n"
  .org 510
  .word 0xaa55
